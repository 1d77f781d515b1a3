// A group, its owners and its members (WIRE-76); and a Microsoft 365 group.
import assert from "node:assert/strict";
import { beta, caller, gone, graph, group, ids, poll, proofOfLife, reference, refused, types, user } from "./client.mjs";

await graph.api(`/directoryObjects/${caller}`).get();
const made = await group("team");
assert.equal(made.membershipRule, null);
const path = `/groups/${made.id}`;
await proofOfLife(path, "group", "displayName", "team", "beta");
await poll(path, (g) => assert.equal(g.displayName, "team"), "beta");
const owners = await beta(`${path}/owners`).get();
assert.deepEqual([ids(owners), types(owners)], [[caller], ["servicePrincipal"]]);

const ann = await user("ann");
const isMember = () => beta(`${path}/members`).filter(`id eq '${ann.id}'`).get();
assert.equal((await isMember()).value.length, 0);
await beta(`${path}/members/$ref`).post(reference(ann.id, "beta"));
const again = await refused(() => beta(`${path}/members/$ref`).post(reference(ann.id, "beta")), 400, "Request_BadRequest");
assert.equal(again.message, "One or more added object references already exist for the following modified properties: 'members'.");
assert.deepEqual(types(await isMember()), ["user"]);

const outer = await group("outer", { "members@odata.bind": [reference(made.id)["@odata.id"]] });
assert.deepEqual(types(await beta(`/groups/${outer.id}/transitiveMembers`).get()), ["group", "user"]);
const unit = await graph.api("/directory/administrativeUnits").post({ displayName: "unit" });
await graph.api(`/directory/administrativeUnits/${unit.id}/members/$ref`).post(reference(made.id));
assert.deepEqual(types(await beta(`${path}/memberOf`).get()), ["administrativeUnit", "group"]);

await beta(`${path}/members/${ann.id}/$ref`).delete();
await refused(() => beta(`${path}/members/${ann.id}/$ref`).delete(), 404, "Request_ResourceNotFound");

// Each of the four properties of a Microsoft 365 group is patched alone; a 404
// to the select of all four means that none is set.
const unified = await group("mail", { groupTypes: ["Unified"], mailEnabled: true, mailNickname: "mail" });
const four = "allowExternalSenders,autoSubscribeNewMembers,hideFromAddressLists,hideFromOutlookClients";
await graph.api(`/groups/${unified.id}`).select(four).get().catch((e) => assert.equal(e.statusCode, 404, e.message));

for (const id of [outer.id, made.id]) {
  await beta(`/groups/${id}`).delete();
  for (let i = 0; i < 5; i++) await gone(`/groups/${id}`, "beta");
}
await graph.api(`/groups/${unified.id}`).delete();
const restored = await graph.api(`/directory/deletedItems/${unified.id}/restore`).post({});
assert.equal(restored.id, unified.id);
