create table trees (
    time       bigint  not null,
    root       bytea   not null,
    public_key bytea   not null,
    signature  bytea   not null,
    leaves     bytea   not null,
    stored     boolean not null,
    primary key (time, root)
);
create index heads_by_time on heads (time);
