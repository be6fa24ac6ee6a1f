/**
 * `tiro demo`: the service in a call on the fake HPB of the tests, with two people who speak over WebRTC. Recognised by
 * pocketsphinx where it is installed, else by a fake.
 */
export { runDemo } from "./demo.ts";
