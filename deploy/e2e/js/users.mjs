// A user through its life (WIRE-74, WIRE-75).
import assert from "node:assert/strict";
import { beta, domain, gone, graph, poll, proofOfLife, reference, user } from "./client.mjs";

const twenty =
  "accountEnabled,ageGroup,companyName,consentProvidedForMinor,country,creationType,department,employeeId,employeeOrgData,employeeType,externalUserState,faxNumber," +
  "identities,mailNickname,onPremisesDistinguishedName,onPremisesDomainName,onPremisesImmutableId,onPremisesSamAccountName,onPremisesSecurityIdentifier," +
  "onPremisesSyncEnabled,onPremisesUserPrincipalName,otherMails,passwordPolicies,proxyAddresses,showInAddressList,state,streetAddress,usageLocation,userType";

const made = await user("ann");
const path = `/users/${made.id}`;
await proofOfLife(path, "user", "displayName", "ann");
await beta(path).patch({ "@odata.type": "#microsoft.graph.user", showInAddressList: false });
await poll(path, (u) => assert.equal(u.userPrincipalName, `ann@${domain}`));
const read = await graph.api(path).select(twenty).get();
assert.equal(read.passwordPolicies, "DisablePasswordExpiration, DisableStrongPassword");
assert.equal(read.userType, "Member");
assert.deepEqual(read.otherMails, []);
for (const name of twenty.split(",")) assert.ok(name in read, name);
assert.equal((await beta(path).select("showInAddressList").get()).showInAddressList, false);

await gone(`${path}/manager`);
const boss = await user("boss");
await graph.api(`${path}/manager/$ref`).put(reference(boss.id));
assert.equal((await graph.api(`${path}/manager`).get()).id, boss.id);
await graph.api(`${path}/manager/$ref`).delete();
await gone(`${path}/manager`);

// null for what is not set is no change to false.
await graph.api(path).patch({ "@odata.type": "#microsoft.graph.user", showInAddressList: null, employeeHireDate: "2024-02-01T00:00:00Z" });
assert.equal((await graph.api(path).select("employeeHireDate").get()).employeeHireDate, "2024-02-01T00:00:00Z");

const found = await graph.api("/users").filter(`userPrincipalName eq 'ann@${domain}'`).get();
assert.equal(found.value.length, 1);
assert.equal((await graph.api("/users").get()).value.length, 3);

await graph.api(path).delete();
for (let i = 0; i < 5; i++) await gone(path);
await graph.api(`/directory/deletedItems/${made.id}`).delete();
await gone(`/directory/deletedItems/${made.id}`);
