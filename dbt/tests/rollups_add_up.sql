-- Stored and new days together must hold every event of the snapshot exactly once.
select counted.events, {{ var('expected_events') }} as expected
from (select coalesce(sum(events), 0) as events from {{ ref('known_days') }}) as counted
where {{ var('expected_events') }} >= 0 and counted.events <> {{ var('expected_events') }}
