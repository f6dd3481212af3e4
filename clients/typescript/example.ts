import { Baton } from "./baton.js";

const baton = new Baton();
process.on("SIGTERM", () => baton.stop()).on("SIGINT", () => baton.stop());
void baton.lead(async (term) => {
  while (await term.pause(1000)) {
    console.log(`token ${term.token}, ${term.remaining()} ms left`);
  }
  console.log("lost");
});
