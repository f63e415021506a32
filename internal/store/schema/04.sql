alter table tokens add column owner text not null default '';
alter table tokens add column passkey text not null default '';
create index tokens_by_passkey on tokens (wallet, passkey) where passkey <> '';

create table owners (
    wallet  text   not null,
    id      text   not null,
    sealed  bytea  not null,
    created bigint not null,
    mac     bytea  not null,
    primary key (wallet, id)
);
create index owners_by_time on owners (wallet, created, id);

create table passkeys (
    wallet     text   not null,
    id         text   not null,
    owner      text   not null,
    credential bytea  not null,
    public_key bytea  not null,
    counter    bigint not null,
    sealed     bytea  not null,
    created    bigint not null,
    last_used  bigint not null,
    mac        bytea  not null,
    primary key (wallet, id)
);
create index passkeys_by_id on passkeys (id, wallet);
create index passkeys_by_time on passkeys (wallet, created, id);

create table invitations (
    id       text    not null primary key,
    wallet   text    not null,
    owner    text    not null,
    inviter  text    not null,
    recovery boolean not null,
    hash     bytea   not null,
    sealed   bytea   not null,
    created  bigint  not null,
    expires  bigint  not null,
    used     bigint  not null,
    mac      bytea   not null
);
create index invitations_by_time on invitations (wallet, created, id);
