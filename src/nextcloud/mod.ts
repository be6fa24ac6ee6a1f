/** OCS calls to Nextcloud, signed as the ExApp where it is one; its STUN and TURN servers; the ExApp's life. */
export { EX_APP_API, exAppRoutes } from "./api.ts";
export { type ExApp, type ExAppOptions, NextcloudExApp } from "./ex_app.ts";
export { createOcs, type ExAppIdentity, type OcsClient, type OcsOptions, type OcsReply } from "./ocs.ts";
export { SignalingSettings, type SignalingSettingsOptions } from "./signaling_settings.ts";
export { StateError } from "./state_file.ts";
export { watchTunnel } from "./tunnel_watch.ts";
