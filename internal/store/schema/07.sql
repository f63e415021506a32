create table archives (
    chain     text   not null,
    first     bigint not null,
    seq       bigint not null,
    hash      bytea  not null,
    statement bytea  not null,
    mac       bytea  not null,
    primary key (chain, first)
);
