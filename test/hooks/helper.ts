import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { buildApp } from '../../hooks/app.ts'
import { loadHooksConfig } from '../../hooks/config.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export const config = loadHooksConfig({ WS_OPERATOR_IMAGE: 'ws-operator:test' })

/** The hooks without a port, closed with the test. */
export async function startHooks(t: Test) {
  const metrics = new Metrics()
  const { app } = await buildApp(config, { log: createLogger('hooks', 'test', 'silent'), metrics })
  t.teardown(() => app.close())
  return { app, metrics }
}

/** A request as Metacontroller sent it once; a fresh copy each time. */
export function recorded<T = Json>(name: string): T {
  return JSON.parse(readFileSync(new URL(`recorded/${name}.json`, import.meta.url), 'utf8')) as T
}

/** JSON merge patch (RFC 7386); changes and returns `target`. */
export function mergePatch(target: Json, patch: Json | undefined): Json {
  if (patch === undefined) return target
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const merged = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = mergePatch(merged[key] ?? null, value)
  }
  return merged
}
