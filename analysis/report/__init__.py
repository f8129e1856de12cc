"""From the results of all stages to what the report shows: figures' data, tables, and published results beside ours."""
