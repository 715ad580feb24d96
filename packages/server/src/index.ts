export type { AuthOptions } from './auth/createAuthenticator.js';
export type { NewLog } from './cluster/beginNewLog.js';
export { createServer } from './createServer.js';
export type { Logger } from './Logger.js';
export type { Action } from './permissions/Permissions.js';
export type { Decision, PermissionContext, PermissionFunction, Rule } from './permissions/Rule.js';
export { type RestoredOptions, restored } from './restored.js';
export type { BackboneOptions, NatsBackboneOptions, NatsConnectionOptions, ServerOptions } from './ServerOptions.js';
export type { TopGunNode } from './TopGunNode.js';
