"""Reports: functions that turn records into lines of text. They print nothing."""
