// App role assignments to users, groups and service principals (WIRE-82).
import assert from "node:assert/strict";
import { caller, gone, graph, group, ids, refused, user } from "./client.mjs";

const everyone = "00000000-0000-0000-0000-000000000000";
const role = crypto.randomUUID();
const app = await graph.api("/applications").post({
  displayName: "resource",
  appRoles: [{ allowedMemberTypes: ["User", "Application"], description: "Runs it", displayName: "Run", id: role, isEnabled: true, value: "run" }],
});
const resource = await graph.api("/servicePrincipals").post({ appId: app.appId });
const open = await graph.api("/servicePrincipals").post({ appId: (await graph.api("/applications").post({ displayName: "open" })).appId });
const ann = await user("ann");
const team = await group("team");

const assigned = (sp) => `/servicePrincipals/${sp.id}/appRoleAssignedTo`;
for (const [id, type, mine] of [[ann.id, "User", "users"], [team.id, "Group", "groups"], [caller, "ServicePrincipal", "servicePrincipals"]]) {
  const body = { "@odata.type": "#microsoft.graph.appRoleAssignment", appRoleId: role, principalId: id, resourceId: resource.id };
  const made = await graph.api(assigned(resource)).post(body);
  assert.deepEqual([made.principalType, made.resourceDisplayName, made.principalId], [type, "resource", id]);
  assert.ok(made.principalDisplayName);
  assert.equal((await graph.api(`${assigned(resource)}/${made.id}`).get()).appRoleId, role);
  assert.ok(ids(await graph.api(`/${mine}/${id}/appRoleAssignments`).get()).includes(made.id));
  await refused(() => graph.api(assigned(resource)).post(body), 400, "Request_BadRequest");
  await graph.api(`${assigned(resource)}/${made.id}`).delete();
  await gone(`${assigned(resource)}/${made.id}`);
}

const access = await graph.api(assigned(open)).post({ appRoleId: everyone, principalId: ann.id, resourceId: open.id });
assert.equal(access.appRoleId, everyone);
await refused(() => graph.api(assigned(open)).post({ appRoleId: crypto.randomUUID(), principalId: ann.id, resourceId: open.id }), 400, "Request_BadRequest");
await graph.api(`${assigned(open)}/${access.id}`).delete();
