// Directory roles and their assignments (WIRE-79).
import assert from "node:assert/strict";
import { gone, graph, ids, poll, refused, reference, user } from "./client.mjs";

const templates = (await graph.api("/directoryRoleTemplates").get()).value;
const reader = templates.find((t) => t.displayName === "Reports Reader");
assert.ok(reader, "no template Reports Reader");
const filter = `roleTemplateId eq '${reader.id}'`;
assert.equal((await graph.api("/directoryRoles").filter(filter).get()).value.length, 0);
const role = await graph.api("/directoryRoles").post({ "@odata.type": "#microsoft.graph.directoryRole", roleTemplateId: reader.id });
assert.notEqual(role.id, reader.id);
assert.deepEqual(ids(await graph.api("/directoryRoles").filter(filter).get()), [role.id]);
await poll(`/directoryRoles/${role.id}`, (r) => assert.equal(r.roleTemplateId, reader.id));

const ann = await user("ann");
await graph.api(`/directoryRoles/${role.id}/members/$ref`).post(reference(ann.id));
assert.deepEqual(ids(await graph.api(`/directoryRoles/${role.id}/members`).get()), [ann.id]);
await graph.api(`/directoryRoles/${role.id}/members/${ann.id}/$ref`).delete();
assert.equal((await graph.api(`/directoryRoles/${role.id}/members`).get()).value.length, 0);

const unit = await graph.api("/directory/administrativeUnits").post({ displayName: "unit" });
const assignments = "/roleManagement/directory/roleAssignments";
const userAdministrator = "fe930be7-5e62-47db-91af-98c3a49a38b1";
for (const [definition, scope] of [[reader.id, "/"], [userAdministrator, `/administrativeUnits/${unit.id}`]]) {
  const body = {
    "@odata.type": "#microsoft.graph.unifiedRoleAssignment", principalId: ann.id, roleDefinitionId: definition, directoryScopeId: scope, appScopeId: null,
  };
  const made = await graph.api(assignments).post(body);
  await poll(`${assignments}/${made.id}`, (a) => assert.deepEqual([a.roleDefinitionId, a.principalId, a.directoryScopeId], [definition, ann.id, scope]));
  await refused(() => graph.api(assignments).post(body), 400, "Request_BadRequest");
  assert.equal((await graph.api(`${assignments}/${made.id}/roleDefinition`).get()).id, definition);
  assert.deepEqual(ids(await graph.api(assignments).filter(`principalId eq '${ann.id}'`).get()), [made.id]);
  await graph.api(`${assignments}/${made.id}`).delete();
  await gone(`${assignments}/${made.id}`);
}
