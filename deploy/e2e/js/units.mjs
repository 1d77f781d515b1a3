// An administrative unit, its members and a role over it (WIRE-78).
import assert from "node:assert/strict";
import { beta, gone, graph, group, ids, poll, proofOfLife, reference, types, user } from "./client.mjs";

const made = await graph.api("/directory/administrativeUnits").post({
  "@odata.type": "#microsoft.graph.administrativeUnit", displayName: "unit", description: null, visibility: "HiddenMembership",
});
assert.equal(made.visibility, "HiddenMembership");
const path = `/directory/administrativeUnits/${made.id}`;
await proofOfLife(path, "administrativeUnit", "displayName", "unit");
await poll(path, (u) => assert.equal(u.displayName, "unit"));

const ann = await user("ann");
const team = await group("team");
for (const id of [ann.id, team.id]) await graph.api(`${path}/members/$ref`).post(reference(id));
const members = await graph.api(`${path}/members`).get();
assert.deepEqual([ids(members), types(members)], [[ann.id, team.id].sort(), ["group", "user"]]);
assert.deepEqual(ids(await beta(`${path}/members`).filter(`id eq '${ann.id}'`).get()), [ann.id]);
const inside = await beta(`${path}/members`).post({
  "@odata.type": "#microsoft.graph.group", displayName: "inside", mailEnabled: false, mailNickname: "inside", securityEnabled: true,
});
assert.deepEqual(ids(await graph.api(`/groups/${inside.id}/memberOf`).get()), [made.id]);

// The role is named by the id of an activated role, which is not its template's.
const template = "fe930be7-5e62-47db-91af-98c3a49a38b1";
let [role] = (await graph.api("/directoryRoles").filter(`roleTemplateId eq '${template}'`).get()).value;
role ??= await graph.api("/directoryRoles").post({ roleTemplateId: template });
const scoped = await graph.api(`${path}/scopedRoleMembers`).post({ roleId: role.id, roleMemberInfo: { id: ann.id }, administrativeUnitId: made.id });
assert.equal(scoped.administrativeUnitId, made.id);
await poll(`${path}/scopedRoleMembers/${scoped.id}`, (m) => assert.deepEqual([m.roleId, m.roleMemberInfo.id], [role.id, ann.id]));
await graph.api(`${path}/scopedRoleMembers/${scoped.id}`).delete();
await gone(`${path}/scopedRoleMembers/${scoped.id}`);

await graph.api(`${path}/members/${ann.id}/$ref`).delete();
await beta(`/administrativeUnits/${made.id}`).delete();
for (let i = 0; i < 5; i++) await gone(path);
