// A client of the switch in Node that knows nothing of this project: it signs with the npm package
// http-message-signatures. One job as JSON on stdin, one result as JSON on stdout.
//
// The job says what to sign (`signed`), what to send instead of it (`sent`, the same fields), the
// components to cover, `created`, the key, and the switch's published JWKs.
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { createSigner, createVerifier, httpbis } from 'http-message-signatures';

const REPLY_FIELDS = ['@status', 'content-digest', '@method', '@path', 'idempotency-key'];

function digestOf(body) {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}

function messageOf(job, fields) {
  return {
    method: fields.method,
    url: `${job.url}${fields.target}`,
    headers: {
      'Content-Type': 'application/json',
      'Content-Digest': fields.digest ?? digestOf(fields.body),
      'Idempotency-Key': fields.key,
    },
  };
}

function send(message, body) {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(message.url, { method: message.method, headers: message.headers });
    outgoing.on('error', reject);
    outgoing.on('response', async (incoming) => {
      const answer = await text(incoming);
      resolve({ status: incoming.statusCode, headers: incoming.headers, body: answer });
    });
    outgoing.end(body);
  });
}

async function isVerified(job, reply, sent) {
  if (reply.headers['content-digest'] !== digestOf(reply.body)) {
    return false;
  }
  const keyLookup = async ({ keyid }) => {
    const jwk = job.jwks.keys.find((key) => key.kid === keyid);
    if (!jwk) {
      return null;
    }
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    return { id: keyid, algs: ['ed25519'], verify: createVerifier(key, 'ed25519') };
  };
  const config = { keyLookup, requiredFields: REPLY_FIELDS, maxAge: 60, tolerance: 5, all: true };
  return (await httpbis.verifyMessage(config, reply, sent)) === true;
}

const job = JSON.parse(await text(process.stdin));
const signer = createSigner(createPrivateKey(job.private_pem), 'ed25519', job.key_id);
const signed = await httpbis.signMessage(
  {
    key: signer,
    name: 'node',
    fields: job.components,
    params: ['created', 'keyid', 'alg', 'nonce'],
    paramValues: { created: new Date(job.created * 1000), nonce: 'from-node' },
  },
  messageOf(job, job.signed),
);
const sent = messageOf(job, job.sent);
sent.headers = {
  ...sent.headers,
  Signature: signed.headers.Signature,
  'Signature-Input': signed.headers['Signature-Input'],
};
const reply = await send(sent, job.sent.body);
const verified = reply.headers.signature ? await isVerified(job, reply, sent) : false;
const answer = { status: reply.status, body: reply.body, verified };
process.stdout.write(JSON.stringify(answer));
