-- What the configuration files say now, read or not yet read by the server; the last row of a name wins. Superusers only.
SELECT name, setting, sourcefile, sourceline, seqno, applied, error
FROM pg_show_all_file_settings()
