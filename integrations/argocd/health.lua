-- Health of a ModelDeployment for Argo CD, from the conditions that kstatus reads. A status of an older generation says
-- nothing about the one that was just applied.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen this generation yet"}
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end

-- What a person has to let go, or to ask for; nothing else ends it.
local waits_for_a_person = {Paused = true, Frozen = true, HeldByEvaluation = true}

local ready = found.Ready or {}
local health = "Progressing"
if found.Stalled ~= nil and found.Stalled.status == "True" then
  health = "Degraded"
elseif ready.status == "True" then
  health = "Healthy"
elseif waits_for_a_person[ready.reason] then
  health = "Suspended"
end
local message = status.message
if message == nil or message == "" then
  message = ready.message or "the operator has written no conditions yet"
end
return {status = health, message = message}
