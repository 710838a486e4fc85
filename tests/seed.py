"""The fields of the statistics, for more than one test."""

# The fields of `get_stats`, in its order.
STATS_FIELDS = (
    "total_messages",
    "total_bytes_original",
    "total_bytes_optimized",
    "reduction_percentage",
    "compressed_messages",
    "avg_message_size",
)
