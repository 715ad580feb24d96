export type { AuthOptions } from './auth/createAuthenticator.js';
export { createServer } from './createServer.js';
export type { Logger } from './Logger.js';
export type { Action } from './permissions/Permissions.js';
export type { Decision, PermissionContext, PermissionFunction, Rule } from './permissions/Rule.js';
export type { BackboneOptions, NatsBackboneOptions, NatsConnectionOptions, ServerOptions } from './ServerOptions.js';
export type { TopGunNode } from './TopGunNode.js';
