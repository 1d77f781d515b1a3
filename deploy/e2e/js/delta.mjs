// Following changes with the client's own iterator (WIRE-69, AC-53).
import assert from "node:assert/strict";
import { PageIterator } from "@microsoft/microsoft-graph-client";
import { graph, group, reference, user } from "./client.mjs";

// round reads a list of changes to its end and returns them by id, and the
// link for the next round.
async function round(request) {
  const seen = new Map();
  const iterator = new PageIterator(graph, await request.get(), (o) => Boolean(seen.set(o.id, o)));
  await iterator.iterate();
  assert.ok(iterator.isComplete());
  return [seen, iterator.getDeltaLink()];
}

for (let i = 0; i < 5; i++) await user(`first${i}`);
const page = await graph.api("/users/delta").header("Prefer", "odata.maxpagesize=2").get();
assert.equal(page.value.length, 2);
assert.ok(page["@odata.nextLink"] && !page["@odata.deltaLink"]);
let [all, link] = await round(graph.api("/users/delta").select("displayName,jobTitle").header("Prefer", "odata.maxpagesize=2"));
assert.equal(all.size, 6); // the administrator, too
assert.equal((await round(graph.api(link)))[0].size, 0);

const ann = await user("ann");
let changes;
[changes, link] = await round(graph.api(link));
assert.deepEqual([...changes.keys()], [ann.id]);
assert.equal(changes.get(ann.id).displayName, "ann");

await graph.api(`/users/${ann.id}`).patch({ city: "Utrecht" }); // nobody asked for it
[changes, link] = await round(graph.api(link));
assert.equal(changes.size, 0);
await graph.api(`/users/${ann.id}`).patch({ jobTitle: "Chief" });
const minimal = await graph.api(link).header("Prefer", "return=minimal").get();
assert.deepEqual(minimal.value.map((u) => Object.keys(u).sort()), [["id", "jobTitle"]]);
[changes, link] = await round(graph.api(link));
assert.deepEqual([changes.get(ann.id).jobTitle, changes.get(ann.id).displayName], ["Chief", "ann"]);

for (const [act, reason] of [
  [() => graph.api(`/users/${ann.id}`).delete(), "changed"],
  [() => graph.api(`/directory/deletedItems/${ann.id}/restore`).post({}), undefined],
  [() => graph.api(`/users/${ann.id}`).delete().then(() => graph.api(`/directory/deletedItems/${ann.id}`).delete()), "deleted"],
]) {
  await act();
  [changes, link] = await round(graph.api(link));
  assert.deepEqual([...changes.keys()], [ann.id]);
  assert.equal(changes.get(ann.id)["@removed"]?.reason, reason);
}

// A link from now on, and members of groups.
const latest = await graph.api("/groups/delta").query({ $deltatoken: "latest" }).get();
assert.deepEqual(latest.value, []);
const bea = await user("bea");
const team = await group("team");
await graph.api(`/groups/${team.id}/members/$ref`).post(reference(bea.id));
[changes, link] = await round(graph.api(latest["@odata.deltaLink"]));
assert.deepEqual(changes.get(team.id)["members@delta"].map((m) => [m["@odata.type"], m.id]), [["#microsoft.graph.user", bea.id]]);
await graph.api(`/groups/${team.id}/members/${bea.id}/$ref`).delete();
[changes, link] = await round(graph.api(link));
assert.deepEqual(changes.get(team.id)["members@delta"].map((m) => [m.id, m["@removed"]?.reason]), [[bea.id, "deleted"]]);
