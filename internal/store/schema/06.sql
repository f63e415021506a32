alter table chains add column grown bigint not null default 0;
alter table chains add column due bigint not null default 0;
update chains set grown = time / 4096, due = case when seq > 0 and not exists (
    select 1 from heads h where h.chain = chains.chain and h.seq = chains.seq) then 1 else 0 end;
create index chains_by_growth on chains (grown);
create index chains_due on chains (due, chain) where due > 0;
