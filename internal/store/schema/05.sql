create index approvals_decided on approvals (decided) where state <> 'pending';
create index grants_over on grants (created) where revoked > 0 or uses = 0;
create index grants_by_end on grants (ends) where ends > 0;
create index tokens_revoked on tokens (revoked) where revoked > 0;
create index tokens_by_end on tokens (expires) where expires > 0;
create index delegations_by_end on delegations (expires);
create index invitations_by_end on invitations (expires);
