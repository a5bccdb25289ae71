"""Reports: functions that turn records of runs into lines of text. They do not print the lines."""
