-- What pg_settings is made of, unfiltered: the server pays more for a filter on names than for the rows.
SELECT name, setting, reset_val, unit, source, context, sourcefile, boot_val, pending_restart
FROM pg_show_all_settings()
