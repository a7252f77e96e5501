import { readFile } from 'node:fs/promises'
import type { Call } from './recorder.ts'

/** Everything that is asked for, without bodies. */
export const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  rules: [{ level: 'Metadata' }],
}

interface Entry {
  readonly verb: string
  readonly requestURI: string
  readonly impersonatedUser?: { readonly username: string }
  readonly objectRef?: { readonly resource: string; readonly apiGroup?: string; readonly subresource?: string }
  readonly responseStatus?: { readonly code: number }
}

/** What an API server's audit log says that a user has asked for; paths that name no resource are left out. */
export async function auditedCalls(file: string, user: string): Promise<Call[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean)
  return lines
    .map(line => JSON.parse(line) as Entry)
    .filter(({ impersonatedUser }) => impersonatedUser?.username === user)
    .flatMap(({ verb, requestURI, objectRef, responseStatus }) => {
      if (!objectRef?.resource) return []
      const { resource, apiGroup, subresource } = objectRef
      const name = `${resource}${apiGroup ? `.${apiGroup}` : ''}${subresource ? `/${subresource}` : ''}`
      return [{ verb, resource: name, status: responseStatus?.code ?? 0, path: `${verb} ${requestURI}` }]
    })
}
