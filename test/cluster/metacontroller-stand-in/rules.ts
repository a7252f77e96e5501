import type { Api } from '../api.ts'
import type { UpdateMethod } from './children.ts'
import type { ChildRule } from './controller.ts'

/** A kind of children, as both kinds of controllers declare it. */
interface ChildSpec {
  apiVersion: string
  resource: string
  updateStrategy?: { method?: string }
}

/** The rules for declared children. @throws for an update strategy that the stand-in leaves out */
export function childRules(api: Api, specs: readonly ChildSpec[]): Promise<ChildRule[]> {
  return Promise.all(
    specs.map(async ({ apiVersion, resource, updateStrategy }) => {
      const method = updateStrategy?.method ?? 'OnDelete'
      if (!isKnown(method)) throw new Error(`the stand-in has no update strategy ${method}`)
      return { resource: await api.resource(apiVersion, resource), method }
    }),
  )
}

function isKnown(method: string): method is UpdateMethod {
  return method === 'OnDelete' || method === 'InPlace'
}
