-- Moves the rollout on by one step, or promotes the last one.
local os = require("os")
local status = obj.status or {}
local version = status.candidate
if version == nil then
  error("no rollout is in flight", 0)
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["modelramp.io/request"] = "promote/" .. version.revision .. "/argocd-" .. os.time()
return obj
