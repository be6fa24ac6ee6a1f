/** The first door: Nextcloud Talk calls, joined through the High-Performance Backend. */
export { type Rooms, talkRoutes, type TalkServices } from "./api/handlers.ts";
export { TALK_API } from "./api/routes.ts";
export { type TalkOptions, TalkRooms, type TranscribeRequest } from "./rooms.ts";
