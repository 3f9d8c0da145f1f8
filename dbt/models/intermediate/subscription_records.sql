-- The newest subscription record that was valid before the cutoff and available at it, and how many there were.
select customer, cutoff, plan, status, price, age as age_days, changes_90d, changes_total
from (
    select
        known.*,
        row_number() over (
            partition by customer, cutoff order by valid_from desc, available_at desc, record_id desc
        ) as place,
        count(*) over (partition by customer, cutoff) as changes_total,
        count(case when age <= 90 then 1 end) over (partition by customer, cutoff) as changes_90d
    from (
        select
            subscriptions.*,
            cutoffs.cutoff,
            {{ days_between('cast(subscriptions.valid_from as date)', 'cutoffs.cutoff') }} as age
        from {{ ref('stg_subscriptions') }} as subscriptions
        inner join {{ ref('cutoffs') }} as cutoffs
            on subscriptions.valid_from < cast(cutoffs.cutoff as timestamp)
            and subscriptions.available_at <= cast(cutoffs.cutoff as timestamp)
    ) as known
) as ordered
where place = 1
