// What a script of a customer does, with Microsoft's own clients as they are:
// sign in by client credentials, page, filter, count, create, patch, invite,
// batch, and read errors. The configuration is the one for any self-hosted
// cloud. The outcome is one JSON object on the standard output.
import { BatchRequestContent, BatchResponseContent, GraphError, PageIterator } from "@microsoft/microsoft-graph-client";
import { absent, application, domain, graph, origin } from "./client.mjs";

const { INVITEE } = process.env;
const outcome = {};

const name = `js-${Date.now()}`;
const created = await graph.api("/users").post({
  accountEnabled: true,
  displayName: name,
  mailNickname: name,
  userPrincipalName: `${name}@${domain}`,
  passwordProfile: { password: "Correct-Horse-7-Battery" },
});
outcome.created = created.displayName === name;

await graph.api(`/users/${created.id}`).update({ department: "Scripting", jobTitle: null });
const read = await graph.api(`/users/${created.id}`).select("id,department,jobTitle,businessPhones").get();
outcome.patched = read.department === "Scripting" && read.jobTitle === null && Array.isArray(read.businessPhones);

const first = await graph.api("/users").top(7).select(["id", "displayName"]).orderby("displayName").get();
const seen = new Set();
const iterator = new PageIterator(graph, first, (user) => {
  seen.add(user.id);
  return true;
});
await iterator.iterate();
outcome.paged = seen.size;
outcome.complete = iterator.isComplete();

const counted = await graph
  .api("/users")
  .header("ConsistencyLevel", "eventual")
  .count(true)
  .filter(`endsWith(userPrincipalName,'@${domain}')`)
  .top(3)
  .get();
outcome.count = counted["@odata.count"];
const advanced = new Set();
const rest = new PageIterator(graph, counted, (user) => advanced.add(user.id) && true);
await rest.iterate(); // drops the ConsistencyLevel header
outcome.advanced = advanced.size;

const invitation = await graph.api("/invitations").post({
  invitedUserEmailAddress: INVITEE,
  inviteRedirectUrl: "https://app.example/welcome",
  sendInvitationMessage: true,
  invitedUserMessageInfo: { ccRecipients: [{ emailAddress: { name: null, address: null } }] },
});
outcome.invited = invitation.status === "PendingAcceptance" && Boolean(invitation.inviteRedeemUrl);
const pending = await graph
  .api("/users")
  .filter("userType eq 'Guest' and externalUserState eq 'PendingAcceptance'")
  .select("id,mail")
  .get();
outcome.pending = pending.value.some((u) => u.id === invitation.invitedUser.id && u.mail === INVITEE);

try {
  await graph.api(`/users/${absent}`).get();
  outcome.missing = "no error";
} catch (e) {
  outcome.missing = e instanceof GraphError ? `${e.statusCode} ${e.code}` : String(e);
  outcome.requestId = Boolean(e.requestId);
}

const batch = new BatchRequestContent([
  { id: "1", request: new Request(`${origin.origin}/v1.0/users/${created.id}`, { method: "GET" }) },
  { id: "2", request: new Request(`${origin.origin}/v1.0/users/${absent}`, { method: "GET" }) },
  {
    id: "3",
    request: new Request(`${origin.origin}/v1.0/users/${created.id}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ city: "Batchville" }),
    }),
  },
]);
const responses = new BatchResponseContent(await graph.api("/$batch").post(await batch.getContent()));
outcome.batch = ["1", "2", "3"].map((id) => responses.getResponseById(id).status);
outcome.batchBody = (await responses.getResponseById("1").json()).id === created.id;

const beta = await graph.api("/groups").version("beta").post({
  displayName: name,
  mailEnabled: false,
  mailNickname: name.slice(0, 20),
  securityEnabled: true,
  groupTypes: [],
  "members@odata.bind": [`${origin.origin}/beta/directoryObjects/${created.id}`],
});
const members = await graph.api(`/groups/${beta.id}/members`).version("beta").get();
outcome.members = members.value.length === 1 && members.value[0]["@odata.type"] === "#microsoft.graph.user";

await graph.api(`/users/${created.id}`).delete();
const wrong = application("nonsense");
try {
  await wrong.acquireTokenByClientCredential({ scopes: [`${origin.origin}/.default`] });
  outcome.wrongSecret = "no error";
} catch (e) {
  outcome.wrongSecret = e.errorCode;
}

console.log(JSON.stringify(outcome));
