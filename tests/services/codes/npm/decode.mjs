// A decoder in Node that knows nothing of this project: it reads codes with the npm package emvqr.
// A list of codes as JSON on stdin, what it found in each as a list of JSON on stdout.
import { text } from 'node:stream/consumers';
import emvqr from 'emvqr';

// By id the text of a data object, or the data objects inside it.
function values(objects) {
  return Object.fromEntries(Object.entries(objects).map(
    ([id, { data }]) => [id, typeof data === 'object' ? values(data) : data]));
}

const results = JSON.parse(await text(process.stdin)).map((payload) => {
  try {
    return { values: values(emvqr.decode(payload)) };
  } catch (error) {
    return { fault: error.message };
  }
});
process.stdout.write(JSON.stringify(results));
