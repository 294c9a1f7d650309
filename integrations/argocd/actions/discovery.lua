-- Which actions the operator would follow now; the others are shown, and disabled.
local status = obj.status or {}
local candidate = status.candidate
local running = candidate ~= nil and (candidate.step or -1) >= 0
local moving = status.phase == "Progressing" or status.phase == "Paused"
local failed = status.phase == "RollingBack" or status.phase == "RolledBack" or status.phase == "Degraded"
local evaluation = candidate ~= nil and not running and candidate.evaluation or {}

local reason
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    reason = condition.reason
  end
end

local function action(possible, name, icon)
  return {disabled = not possible, displayName = name, iconClass = "fa fa-fw " .. icon}
end

return {
  promote = action(running and reason ~= "Frozen", "Promote by one step", "fa-forward"),
  pause = action(candidate ~= nil and moving and not status.paused, "Pause", "fa-pause"),
  resume = action(candidate ~= nil and status.paused == true, "Resume", "fa-play"),
  abort = action(candidate ~= nil and status.stable ~= nil, "Abort the rollout", "fa-stop"),
  rollback = action(
    status.stable ~= nil and status.previous ~= nil and not running, "Roll back to the version before", "fa-undo"
  ),
  retry = action(
    failed and (status.failedRevision or status.deferred) ~= nil
      or evaluation.state == "NoData" or evaluation.state == "Failed",
    "Retry what failed", "fa-redo"
  ),
}
