-- What the stored rollup lacks: which codes a customer used on which day, for exact distinct counts over any window. A
-- code stands here as often as it came: to keep each once a day costs a tenth of a build where none comes twice.
select
    customer_id,
    event_day,
    available_day,
    item_id,
    channel,
    session_id,
    cast({{ var('through') }} as bigint) as ingest_seq
from {{ ref('stg_activity') }}
where
    ingest_seq > {{ var('values_after') }}
    and (item_id is not null or channel is not null or session_id is not null)
