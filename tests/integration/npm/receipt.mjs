// A reader of receipts in Node that knows nothing of this project: it verifies with the npm package
// jose. One job as JSON on stdin (`token`, `jwks`), one result as JSON on stdout.
import { text } from 'node:stream/consumers';
import { createLocalJWKSet, jwtVerify } from 'jose';

const job = JSON.parse(await text(process.stdin));
let result;
try {
  const options = { algorithms: ['EdDSA'], typ: 'payment-receipt+jwt', requiredClaims: ['iat'] };
  const found = await jwtVerify(job.token, createLocalJWKSet(job.jwks), options);
  result = { header: found.protectedHeader, payload: found.payload };
} catch (error) {
  result = { fault: error.code };
}
process.stdout.write(JSON.stringify(result));
