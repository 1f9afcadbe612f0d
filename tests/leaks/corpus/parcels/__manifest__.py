{"name": "Parcel hub", "version": "17.0.2.0.1", "depends": ["delivery"]}
