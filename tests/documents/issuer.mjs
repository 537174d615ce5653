// Has the running service take tokens of a real OpenID provider, whose keys it finds by discovery.
import { strict as assert } from "node:assert";
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [address, token] = process.argv.slice(2);
const AUDIENCE = "urn:minato";
const STAFF = "oidc@minato.example";

async function call(bearer, path, body) {
    const answer = await fetch(`${address}/v1/admin/${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
    });
    return [answer.status, await answer.json()];
}

function jwk(type, options, alg) {
    const { privateKey } = generateKeyPairSync(type, options);
    return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: alg };
}

const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://localhost:${server.address().port}`;
const provider = new Provider(issuer, {
    clients: [
        {
            client_id: "front-end",
            client_secret: "secret of the front end",
            grant_types: ["client_credentials"],
            redirect_uris: [],
            response_types: [],
        },
    ],
    jwks: {
        keys: [
            jwk("rsa", { modulusLength: 2048 }, "RS256"),
            jwk("ec", { namedCurve: "P-256" }, "ES256"),
            jwk("ed25519", {}, "EdDSA"),
        ],
    },
    cookies: { keys: ["a key for cookies"] },
    ttl: { ClientCredentials: 300 },
    extraTokenClaims: () => ({ email: STAFF, email_verified: true }),
    features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
            enabled: true,
            getResourceServerInfo: (_, resource) => ({
                scope: "",
                audience: resource.startsWith(AUDIENCE) ? AUDIENCE : resource,
                accessTokenFormat: "jwt",
                jwt: { sign: { alg: resource.split(":").at(-1) } },
            }),
        },
    },
});
server.on("request", provider.callback());

async function tokenFor(resource) {
    const basic = Buffer.from("front-end:secret%20of%20the%20front%20end").toString("base64");
    const answer = await fetch(`${issuer}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ grant_type: "client_credentials", resource }),
    });
    assert.equal(answer.status, 200);
    return (await answer.json()).access_token;
}

const [hired] = await call(token, "users", { email: STAFF, name: "OIDC", role: "staff", password: "correct horse battery" });
assert.equal(hired, 201);
const [created, made] = await call(token, "issuers", {
    issuer,
    audience: AUDIENCE,
    subjects: "users",
    match: { claim: "email", to: "email" },
    max_scopes: ["orders:read"],
});
assert.equal(created, 201, JSON.stringify(made));
for (const alg of ["RS256", "ES256", "EdDSA"]) {
    const [status, me] = await call(await tokenFor(`${AUDIENCE}:${alg}`), "me");
    assert.equal(status, 200, `${alg}: ${JSON.stringify(me)}`);
    assert.deepEqual([me.email, me.scopes], [STAFF, ["orders:read"]]);
}
const [refused] = await call(await tokenFor("urn:another:RS256"), "me");
assert.equal(refused, 401);
server.closeAllConnections();
server.close();
