create table push_subscriptions (
    wallet  text   not null,
    id      text   not null,
    token   text   not null,
    passkey text   not null,
    sealed  bytea  not null,
    created bigint not null,
    mac     bytea  not null,
    primary key (wallet, id)
);
create index push_subscriptions_by_time on push_subscriptions (wallet, created, id);

create table pushes (
    approval     text    not null,
    subscription text    not null,
    tries        bigint  not null,
    tried        bigint  not null,
    held_until   bigint  not null,
    done         boolean not null,
    primary key (approval, subscription)
);
create index pushes_by_subscription on pushes (subscription, tried);
create index pushes_by_time on pushes (tried);

create index approvals_by_end on approvals (expires) where state = 'pending';
