-- name: schema version
select version from walletd_schema

-- name: make schema version
create table walletd_schema (one bigint not null primary key check (one = 1), version bigint not null)

-- name: set schema version
insert into walletd_schema (one, version) values (1, $1) on conflict (one) do update set version = excluded.version
