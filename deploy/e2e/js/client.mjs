// The clients that the scripts share, configured as for any self-hosted cloud,
// and the steps that all kinds of objects have in common.
import assert from "node:assert/strict";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client, GraphError } from "@microsoft/microsoft-graph-client";

const { GRAPH_URL, TENANT_ID, CLIENT_ID, CLIENT_SECRET } = process.env;
export const origin = new URL(GRAPH_URL);
export const domain = process.env.TENANT_DOMAIN;
export const caller = process.env.CALLER;
export const absent = "11111111-2222-4333-8444-555555555555";

// application signs in by client credentials.
export function application(clientSecret) {
  return new ConfidentialClientApplication({
    auth: { clientId: CLIENT_ID, clientSecret, authority: `${origin.origin}/${TENANT_ID}`, knownAuthorities: [origin.host] },
  });
}

const msal = application(CLIENT_SECRET);

export const graph = Client.initWithMiddleware({
  baseUrl: `${origin.origin}/`,
  customHosts: new Set([origin.hostname]),
  authProvider: {
    async getAccessToken() {
      const result = await msal.acquireTokenByClientCredential({ scopes: [`${origin.origin}/.default`] });
      return result.accessToken;
    },
  },
});

export const beta = (path) => graph.api(path).version("beta");

// reference is the body that links an object.
export const reference = (id, version = "v1.0") => ({ "@odata.id": `${origin.origin}/${version}/directoryObjects/${id}` });

// refused calls and expects an error.
export async function refused(call, status, code) {
  try {
    await call();
  } catch (e) {
    assert.ok(e instanceof GraphError, String(e));
    assert.equal(`${e.statusCode} ${e.code}`, `${status} ${code}`, e.message);
    return e;
  }
  assert.fail(`no error, want ${status} ${code}`);
}

export const gone = (path, version = "v1.0") =>
  refused(() => graph.api(path).version(version).get(), 404, "Request_ResourceNotFound");

// proofOfLife changes a property to something of its own and back, as the
// provider does after each create to see that writes are read.
export async function proofOfLife(path, type, property, value, version = "v1.0") {
  for (const text of [`TERRAFORM_UPDATE_${crypto.randomUUID()}`, value]) {
    await graph.api(path).version(version).patch({ "@odata.type": `#microsoft.graph.${type}`, [property]: text });
    const read = await graph.api(path).version(version).select(property).get();
    assert.equal(read[property], text, `${path} ${property}`);
  }
}

// poll reads as often as the provider does and expects the same each time.
export async function poll(path, check, version = "v1.0") {
  for (let i = 0; i < 5; i++) check(await graph.api(path).version(version).get());
}

// user makes a member with the body of the provider.
export async function user(name, more = {}) {
  return graph.api("/users").post({
    "@odata.type": "#microsoft.graph.user",
    accountEnabled: true, ageGroup: null, businessPhones: null, city: null, companyName: null, consentProvidedForMinor: null, country: null,
    department: null, displayName: name, employeeId: null, employeeHireDate: null, employeeOrgData: { costCenter: null, division: null },
    employeeType: null, faxNumber: null, givenName: null, jobTitle: null, mail: null, mailNickname: name, mobilePhone: null, officeLocation: null,
    passwordPolicies: "DisablePasswordExpiration, DisableStrongPassword",
    passwordProfile: { forceChangePasswordNextSignIn: false, password: "Correct-Horse-7-Battery" },
    postalCode: null, preferredLanguage: null, state: null, streetAddress: null, surname: null, usageLocation: null,
    userPrincipalName: `${name}@${domain}`, ...more,
  });
}

// group makes a group with the body of the provider.
export async function group(name, more = {}) {
  return beta("/groups").post({
    "@odata.type": "#microsoft.graph.group", displayName: name, description: null, groupTypes: [], mailEnabled: false, mailNickname: "3025dde6-0",
    membershipRule: null, securityEnabled: true, isAssignableToRole: false, resourceBehaviorOptions: [], resourceProvisioningOptions: [],
    "owners@odata.bind": [`${origin.origin}/beta/directoryObjects/${caller}`], ...more,
  });
}

export const types = (page) => page.value.map((o) => o["@odata.type"].replace("#microsoft.graph.", "")).sort();
export const ids = (page) => page.value.map((o) => o.id).sort();
