/** The first door: Nextcloud Talk calls, joined through the High-Performance Backend. */
export { type TalkOptions, TalkRooms } from "./rooms.ts";
export { SpokenLanguages } from "./spoken_languages.ts";
