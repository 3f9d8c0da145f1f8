-- The newest customer record that was valid before the cutoff and available at it.
select customer, cutoff, country, segment, age_band, income_band, household
from (
    select
        customers.*,
        cutoffs.cutoff,
        row_number() over (
            partition by customers.customer, cutoffs.cutoff
            order by valid_from desc, available_at desc, record_id desc
        ) as place
    from {{ ref('stg_customers') }} as customers
    inner join {{ ref('cutoffs') }} as cutoffs
        on customers.valid_from < cast(cutoffs.cutoff as timestamp)
        and customers.available_at <= cast(cutoffs.cutoff as timestamp)
) as ordered
where place = 1
