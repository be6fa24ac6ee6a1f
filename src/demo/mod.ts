/**
 * `tiro demo`: the real service, in a call on the fake HPB of the tests, with two people who read a short dialogue
 * over real WebRTC. Words come from pocketsphinx where it is installed, else from a stand-in that says so.
 */
export { runDemo } from "./demo.ts";
