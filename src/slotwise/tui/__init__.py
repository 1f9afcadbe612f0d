"""The watching face: keys and screens. No decisions."""
