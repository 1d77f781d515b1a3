// An application with all that hangs on it, and its service principal (WIRE-82).
import assert from "node:assert/strict";
import { beta, caller, gone, graph, ids, origin, poll, proofOfLife, refused } from "./client.mjs";

const scope = crypto.randomUUID();
const role = crypto.randomUUID();
const made = await graph.api("/applications").post({
  "@odata.type": "#microsoft.graph.application",
  api: {
    "@odata.type": "#microsoft.graph.apiApplication", acceptMappedClaims: null, knownClientApplications: [], requestedAccessTokenVersion: 2,
    oauth2PermissionScopes: [
      {
        adminConsentDescription: "Use it", adminConsentDisplayName: "Use", id: scope, isEnabled: true, type: "User", userConsentDescription: null,
        userConsentDisplayName: null, value: "use",
      },
    ],
  },
  appRoles: [{ allowedMemberTypes: ["User", "Application"], description: "Runs it", displayName: "Run", id: role, isEnabled: true, value: "run" }],
  displayName: "app", groupMembershipClaims: null, identifierUris: [], isFallbackPublicClient: null, notes: null, optionalClaims: {},
  publicClient: { redirectUris: [] }, requiredResourceAccess: [], serviceManagementReference: null, signInAudience: "AzureADMyOrg", spa: { redirectUris: [] }, tags: [],
  web: {
    homePageUrl: "https://app.example", implicitGrantSettings: { enableAccessTokenIssuance: false, enableIdTokenIssuance: false }, logoutUrl: null,
    redirectUris: ["https://app.example/back"],
  },
  "owners@odata.bind": [`${origin.origin}/v1.0/directoryObjects/${caller}`],
});
const path = `/applications/${made.id}`;
await proofOfLife(path, "application", "displayName", "app");
await graph.api(path).patch({ identifierUris: [`api://${made.appId}`] });
await poll(path, (a) => assert.deepEqual([a.appRoles[0].value, a.api.oauth2PermissionScopes[0].id, a.identifierUris[0]], ["run", scope, `api://${made.appId}`]));
assert.equal((await graph.api(`/applications(appId='${made.appId}')`).get()).id, made.id);
assert.deepEqual(ids(await graph.api(`${path}/owners`).get()), [caller]);
assert.equal((await beta(path).select("oauth2RequirePostResponse").get()).oauth2RequirePostResponse, false);

const secret = await graph.api(`${path}/addPassword`).post({ passwordCredential: { displayName: "rotated" } });
assert.ok(secret.secretText.length >= 16);
assert.deepEqual((await graph.api(path).get()).passwordCredentials.map((c) => c.keyId), [secret.keyId]);
await graph.api(`${path}/removePassword`).post({ keyId: secret.keyId });
assert.deepEqual((await graph.api(path).get()).passwordCredentials, []);

const credential = await graph.api(`${path}/federatedIdentityCredentials`).post({
  "@odata.type": "#microsoft.graph.federatedIdentityCredential", audiences: ["api://AzureADTokenExchange"], description: "",
  issuer: "https://ci.example", name: "main", subject: "repo:app",
});
await graph.api(`${path}/federatedIdentityCredentials/${credential.id}`).patch({ description: "changed" });
await poll(`${path}/federatedIdentityCredentials/${credential.id}`, (c) => assert.equal(c.description, "changed"));

const byApp = () => graph.api("/servicePrincipals").filter(`appId eq '${made.appId}'`).get();
assert.equal((await byApp()).value.length, 0);
const body = {
  "@odata.type": "#microsoft.graph.servicePrincipal", accountEnabled: true, alternativeNames: [], appId: made.appId, appRoleAssignmentRequired: false,
  description: null, loginUrl: null, notes: null, notificationEmailAddresses: [], preferredSingleSignOnMode: null, samlSingleSignOnSettings: { relayState: "" }, tags: [],
  "owners@odata.bind": [`${origin.origin}/v1.0/directoryObjects/${caller}`],
};
const sp = await graph.api("/servicePrincipals").post(body);
await refused(() => graph.api("/servicePrincipals").post(body), 409, "Request_MultipleObjectsWithSameKeyValue");
assert.equal((await byApp()).value.length, 1);
assert.ok("samlMetadataUrl" in (await beta(`/servicePrincipals/${sp.id}`).get()));

// The service principal mirrors its application, also when that changes later.
await graph.api(path).patch({ web: { homePageUrl: "https://new.example", logoutUrl: "https://new.example/out", redirectUris: ["https://new.example/back"] } });
const mirror = await graph.api(`/servicePrincipals/${sp.id}`).get();
assert.deepEqual(mirror.servicePrincipalNames, [made.appId, `api://${made.appId}`]);
assert.deepEqual([mirror.homepage, mirror.logoutUrl, mirror.replyUrls], ["https://new.example", "https://new.example/out", ["https://new.example/back"]]);
assert.equal(mirror.appRoles[0].id, role);
assert.equal(mirror.oauth2PermissionScopes[0].id, scope);
await graph.api(`/servicePrincipals/${sp.id}`).patch({ displayName: "own name" });
assert.equal((await graph.api(path).get()).displayName, "app");

// A role is disabled before it goes.
const without = () => graph.api(path).patch({ appRoles: [] });
await refused(without, 400, "Request_BadRequest");
await graph.api(path).patch({ appRoles: [{ ...made.appRoles[0], isEnabled: false }] });
await without();

await graph.api(`/servicePrincipals/${sp.id}`).delete();
await graph.api(path).delete();
for (let i = 0; i < 5; i++) await gone(path);
