import { decodeValue, encodeValue } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';

/** Who a virtual session is for, as the node that authenticated the client vouches. */
export interface Passport {
  readonly clientId: string;
  readonly identity: Identity;
}

export function encodePassport({ clientId, identity }: Passport): Uint8Array {
  const { subject, roles, claims, expiresAt } = identity;
  const encode = (data: unknown): Uint8Array => encodeValue([clientId, subject, [...roles], data, expiresAt]);
  try {
    return encode(claims);
  } catch {
    // An authenticator of the application's own may put anything there; what is no data cannot travel.
    return encode(JSON.parse(JSON.stringify(claims)));
  }
}

/** Null: these bytes are none. */
export function decodePassport(bytes: Uint8Array): Passport | null {
  const fields = fieldsOf(bytes);
  const [clientId, subject, roles, claims, expiresAt] = fields;
  const isSound =
    typeof clientId === 'string' &&
    typeof subject === 'string' &&
    Array.isArray(roles) &&
    roles.every((role) => typeof role === 'string') &&
    typeof claims === 'object' &&
    claims !== null &&
    typeof expiresAt === 'number';
  if (!isSound) return null;
  return { clientId, identity: { subject, roles, claims: claims as Record<string, unknown>, expiresAt } };
}

function fieldsOf(bytes: Uint8Array): readonly unknown[] {
  try {
    const value = decodeValue(bytes);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
