"""What a search finds: code, records and page of the study."""
