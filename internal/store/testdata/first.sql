-- The first schema ever shipped, with a row in each table. Never to be changed.

create table keystore (
    one             bigint  not null primary key check (one = 1),
    id              text    not null,
    generation      bigint  not null,
    epoch           bigint  not null,
    sealed_old_root bytea   not null,
    sealed_service  bytea   not null,
    failures        bigint  not null,
    last_failure    bigint  not null,
    dev             boolean not null,
    mac             bytea   not null
);

create table slots (
    id         text   not null primary key,
    kind       text   not null,
    name       text   not null,
    params     bytea  not null,
    sealed     bytea  not null,
    generation bigint not null,
    created    bigint not null,
    mac        bytea  not null
);

create table wallets (
    id         text   not null primary key,
    generation bigint not null,
    sealed_key bytea  not null,
    sealed     bytea  not null,
    version    bigint not null,
    created    bigint not null
);
create index wallets_by_time on wallets (created, id);

create table accounts (
    wallet  text   not null,
    address text   not null,
    app     text   not null,
    path    text   not null,
    type    text   not null,
    sealed  bytea  not null,
    created bigint not null,
    primary key (wallet, address)
);
create index accounts_by_app on accounts (wallet, app, type);
create index accounts_by_address on accounts (address, app);

create table paths (
    wallet text not null,
    path   text not null,
    app    text not null,
    primary key (wallet, path)
);

create table policies (
    wallet  text   not null primary key,
    version bigint not null,
    sealed  bytea  not null,
    updated bigint not null
);

create table tokens (
    id        text   not null primary key,
    role      text   not null,
    wallet    text   not null,
    app       text   not null,
    name      text   not null,
    origins   text   not null,
    hash      bytea  not null,
    created   bigint not null,
    expires   bigint not null,
    revoked   bigint not null,
    last_used bigint not null,
    mac       bytea  not null
);
create index tokens_by_wallet on tokens (wallet, created, id);
create index tokens_with_origins on tokens (origins) where origins <> '';

create table apps (
    wallet  text   not null,
    app     text   not null,
    state   text   not null,
    sealed  bytea  not null,
    created bigint not null,
    mac     bytea  not null,
    primary key (wallet, app)
);

create table approvals (
    id         text   not null primary key,
    wallet     text   not null,
    app        text   not null,
    agent      text   not null,
    asker      text   not null,
    state      text   not null,
    code       text   not null,
    digest     bytea  not null,
    created    bigint not null,
    expires    bigint not null,
    decided    bigint not null,
    decided_by text   not null,
    sealed     bytea  not null,
    answer     bytea  not null,
    mac        bytea  not null
);
create unique index approvals_by_code on approvals (wallet, code) where state = 'pending';
create index approvals_by_time on approvals (wallet, created, id);
create index approvals_by_question on approvals (wallet, app, digest, created);
create index approvals_waiting on approvals (wallet, app, expires) where state = 'pending';

create table grants (
    id       text   not null primary key,
    wallet   text   not null,
    app      text   not null,
    agent    text   not null,
    approval text   not null,
    created  bigint not null,
    ends     bigint not null,
    uses     bigint not null,
    revoked  bigint not null,
    sealed   bytea  not null,
    mac      bytea  not null
);
create index grants_by_app on grants (wallet, app);
create index grants_by_time on grants (wallet, created, id);

create table delegations (
    wallet    text   not null,
    hash      bytea  not null,
    from_addr text   not null,
    to_addr   text   not null,
    expires   bigint not null,
    approved  bigint not null,
    revoked   bigint not null,
    sealed    bytea  not null,
    mac       bytea  not null,
    primary key (wallet, hash)
);

create table profiles (
    wallet  text   not null primary key,
    version bigint not null,
    sealed  bytea  not null,
    updated bigint not null
);

create table credentials (
    wallet  text   not null,
    id      text   not null,
    sealed  bytea  not null,
    created bigint not null,
    primary key (wallet, id)
);
create index credentials_by_time on credentials (wallet, created, id);

create table sessions (
    id         text    not null primary key,
    wallet     text    not null,
    app        text    not null,
    state      text    not null,
    approval   text    not null,
    posting    boolean not null,
    created    bigint  not null,
    expires    bigint  not null,
    ended      bigint  not null,
    sealed     bytea   not null,
    mac        bytea   not null,
    holder     text    not null,
    held_until bigint  not null
);
create index sessions_by_time on sessions (wallet, created, id);
create index sessions_open on sessions (held_until, id) where ended = 0;
create index sessions_of_app on sessions (wallet, app) where ended = 0;
create index sessions_by_end on sessions (ended);

create table secret_keys (
    wallet  text   not null,
    app     text   not null,
    tag     bytea  not null,
    sealed  bytea  not null,
    created bigint not null,
    primary key (wallet, tag)
);
create index secret_keys_by_app on secret_keys (wallet, app, created, tag);

create table secrets (
    wallet   text   not null,
    app      text   not null,
    tag      bytea  not null,
    revision text   not null,
    sealed   bytea  not null,
    created  bigint not null,
    updated  bigint not null,
    primary key (wallet, tag)
);
create index secrets_by_app on secrets (wallet, app, created, tag);
create index secrets_by_time on secrets (wallet, created, tag);

create table records (
    chain  text   not null,
    seq    bigint not null,
    id     text   not null,
    time   bigint not null,
    kind   text   not null,
    sealed bytea  not null,
    prev   bytea  not null,
    hash   bytea  not null,
    primary key (chain, seq)
);

create table chains (
    chain text   not null primary key,
    seq   bigint not null,
    hash  bytea  not null,
    time  bigint not null
);

create table heads (
    chain      text   not null,
    seq        bigint not null,
    hash       bytea  not null,
    time       bigint not null,
    public_key bytea  not null,
    signature  bytea  not null,
    primary key (chain, seq)
);

create table restored (
    chain  text   not null,
    seq    bigint not null,
    sealed bytea  not null,
    primary key (chain, seq)
);

create table nonces (
    wallet  text   not null,
    issuer  text   not null,
    jti     text   not null,
    expires bigint not null,
    primary key (wallet, issuer, jti)
);
create index nonces_by_time on nonces (expires);

create table requests (
    token   text   not null,
    route   text   not null,
    key     text   not null,
    digest  bytea  not null,
    made    text   not null,
    secret  boolean not null,
    created bigint not null,
    primary key (token, route, key)
);
create index requests_by_time on requests (created);

create table walletd_schema (one bigint not null primary key check (one = 1), version bigint not null);
insert into walletd_schema values (1, 1);
insert into keystore values (1, 'k', 1, 0, x'', x'20', 0, 0, false, x'01');
insert into slots values ('s1', 'passphrase', '', x'7b7d', x'02', 1, 1, x'03');
insert into wallets values ('w1', 1, x'04', x'05', 4, 1);
insert into accounts values ('w1', 'a1', 'app', 'm/1', 'account/ed25519/sha3', x'06', 1);
insert into paths values ('w1', 'm/1', 'app');
insert into policies values ('w1', 1, x'07', 1);
insert into tokens values ('t1', 'app', 'w1', 'app', 'Notes', '', x'08', 1, 0, 0, 0, x'09');
insert into apps values ('w1', 'app', 'approved', x'0a', 1, x'0b');
insert into approvals values ('q1', 'w1', 'app', '', 't1', 'pending', 'ABCDEF', x'0c', 1, 301, 0, '', x'0d', x'', x'0e');
insert into grants values ('g1', 'w1', 'app', '', 'q1', 1, 0, -1, 0, x'0f', x'10');
insert into delegations values ('w1', x'11', 'from', 'to', 9, 0, 0, x'12', x'13');
insert into profiles values ('w1', 1, x'18', 1);
insert into credentials values ('w1', 'c1', x'19', 1);
insert into sessions values ('s1', 'w1', 'app', 'waiting', 'q1', false, 1, 301, 0, x'1a', x'1b', '', 0);
insert into secret_keys values ('w1', 'app', x'1c', x'1d', 1);
insert into secrets values ('w1', 'app', x'1e', 'r1', x'1f', 1, 1);
insert into records values ('w1', 1, 'r1', 1700000000000, 'claim', x'7365616c6564',
    x'0000000000000000000000000000000000000000000000000000000000000000', x'bdd8108fca7f282f6ccd7517ea8dcaed8be02f4cbb5fb627886095ecaff1874a');
insert into chains values ('w1', 1, x'bdd8108fca7f282f6ccd7517ea8dcaed8be02f4cbb5fb627886095ecaff1874a', 1700000000000);
insert into heads values ('w1', 1, x'14', 1700000000000, x'15', x'16');
insert into restored values ('w1', 1, x'20');
insert into nonces values ('w1', 'app', 'jti', 9);
insert into requests values ('t1', 'route', 'key', x'17', 'q1', false, 1);
