// Requests in one batch that wait for each other (WIRE-66, WIRE-67).
import assert from "node:assert/strict";
import { BatchRequestContent, BatchResponseContent } from "@microsoft/microsoft-graph-client";
import { absent, domain, graph, origin } from "./client.mjs";

const json = (method, path, body) =>
  new Request(`${origin.origin}/v1.0${path}`, { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });

async function send(steps) {
  const batch = new BatchRequestContent(steps.map(([id, request, dependsOn]) => ({ id, request, dependsOn })));
  return new BatchResponseContent(await graph.api("/$batch").post(await batch.getContent()));
}

const body = {
  accountEnabled: true, displayName: "batched", mailNickname: "batched", userPrincipalName: `batched@${domain}`,
  passwordProfile: { password: "Correct-Horse-7-Battery" },
};
const path = `/users/batched@${domain}`;
const serial = await send([
  ["1", json("POST", "/users", body)],
  ["2", json("PATCH", path, { jobTitle: "Chief" }), ["1"]],
  ["3", json("GET", `${path}?$select=jobTitle`), ["2"]],
]);
assert.deepEqual(["1", "2", "3"].map((id) => serial.getResponseById(id).status), [201, 204, 200]);
assert.equal((await serial.getResponseById("3").json()).jobTitle, "Chief");

const broken = await send([
  ["1", json("GET", `/users/${absent}`)],
  ["2", json("PATCH", path, { jobTitle: "Nobody" }), ["1"]],
  ["3", json("GET", path), ["2"]],
]);
assert.deepEqual(["1", "2", "3"].map((id) => broken.getResponseById(id).status), [404, 424, 424]);
assert.equal((await graph.api(path).get()).jobTitle, "Chief");
