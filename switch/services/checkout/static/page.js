// Asks for the status of this check-out until it is final. Text only ever becomes text.
"use strict";

const PAUSE_MS = 2000; // between two looks, at first
const PAUSE_MS_MAX = 10000;
const GROWTH = 1.05; // of the pause, a look: a page that lies open asks less and less
const ANSWER_MS_MAX = 10000;
const FINAL = ["paid", "expired", "cancelled"];

const line = document.getElementById("status");
const back = document.getElementById("back");

function show(now) {
  line.dataset.status = now.status;
  if (line.textContent !== now.text) line.textContent = now.text; // read aloud when it changes
  if (now.return_url) {
    back.href = now.return_url;
    back.hidden = false;
  }
}

async function look() {
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const answer = await fetch(location.pathname + "/status", { cache: "no-store", signal });
  if (answer.ok) show(await answer.json());
}

function lookAgain(pause) {
  if (FINAL.includes(line.dataset.status)) return;
  setTimeout(async () => {
    await look().catch(() => {}); // no answer now: perhaps the next time
    lookAgain(Math.min(pause * GROWTH, PAUSE_MS_MAX));
  }, pause);
}

lookAgain(PAUSE_MS);
