-- Where a flow was opened, as coarse as the limits count: flows that go no
-- further are bounded for each invitation and network.
alter table flows add column network text not null default '';
