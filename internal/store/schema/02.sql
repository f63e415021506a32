alter table tokens add column thumbprint text not null default '';

create table pairings (
    id         text   not null primary key,
    code       text   not null,
    origin     text   not null,
    name       text   not null,
    thumbprint text   not null,
    address    text   not null,
    created    bigint not null,
    expires    bigint not null,
    rejected   bigint not null
);
create unique index pairings_by_code on pairings (code);
create index pairings_by_time on pairings (expires);
