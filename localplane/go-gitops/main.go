// Command gitops says what Argo CD and kstatus make of objects: Argo CD's Lua scripts with the libraries that it gives to a
// user's script, and the kstatus library.
//
// Standard input: {"objects": [...], "health": "...", "discovery": "...", "actions": {"name": "..."}}. Standard output: for
// each object what kstatus says, what each script returned or why it failed, and the merge patch of each action.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// limit is the time that Argo CD gives to a script.
const limit = time.Second

type question struct {
	Objects   []json.RawMessage `json:"objects"`
	Health    string            `json:"health"`
	Discovery string            `json:"discovery"`
	Actions   map[string]string `json:"actions"`
}

type answer struct {
	Kstatus   string            `json:"kstatus"`
	Health    any               `json:"health"`
	Discovery any               `json:"discovery"`
	Patches   map[string]any    `json:"patches"`
	Errors    map[string]string `json:"errors"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	answers := []answer{}
	for _, text := range asked.Objects {
		found, err := judge(asked, text)
		if err != nil {
			return err
		}
		answers = append(answers, found)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func judge(asked question, text []byte) (answer, error) {
	// Through unstructured's own decoder: whole numbers must be int64, or kstatus refuses the generation.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return answer{}, err
	}
	computed, err := status.Compute(object)
	if err != nil {
		return answer{}, err
	}
	found := answer{Kstatus: computed.Status.String(), Patches: map[string]any{}, Errors: map[string]string{}}
	if found.Health, err = execute(asked.Health, object.Object); err != nil {
		found.Errors["health"] = err.Error()
	}
	if found.Discovery, err = execute(asked.Discovery, object.Object); err != nil {
		found.Errors["discovery"] = err.Error()
	}
	for name, script := range asked.Actions {
		if found.Patches[name], err = patch(script, object.Object); err != nil {
			found.Errors[name] = err.Error()
		}
	}
	return found, nil
}

// execute runs a script as Argo CD's util/lua does without useOpenLibs: the base, package and table libraries, and of `os`,
// by require, only time and date.
func execute(script string, object map[string]any) (any, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	state.PreloadModule(lua.OsLibName, clock)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("actionParams", state.NewTable())
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		var failed *lua.ApiError
		if errors.As(err, &failed) {
			return nil, errors.New(failed.Object.String())
		}
		return nil, err
	}
	text, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return nil, err
	}
	var returned any
	err = json.Unmarshal(text, &returned)
	return returned, err
}

// clock is what is left of the library `os`.
func clock(state *lua.LState) int {
	state.Push(state.SetFuncs(state.NewTable(), map[string]lua.LGFunction{
		"time": func(state *lua.LState) int {
			state.Push(lua.LNumber(time.Now().Unix()))
			return 1
		},
		"date": func(state *lua.LState) int {
			state.Push(lua.LString(time.Now().UTC().Format(time.RFC3339)))
			return 1
		},
	}))
	return 1
}

// patch is what Argo CD sends to the API server after an action: the difference between what it gave and what it got.
func patch(script string, object map[string]any) (any, error) {
	returned, err := execute(script, object)
	if err != nil {
		return nil, err
	}
	changed, ok := returned.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the action returned no object: %v", returned)
	}
	before, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(cleaned(changed, object))
	if err != nil {
		return nil, err
	}
	text, err := jsonpatch.CreateMergePatch(before, after)
	return json.RawMessage(text), err
}

// cleaned gives empty objects back: Lua has one kind of empty table, which comes out as an empty list.
func cleaned(changed, given any) any {
	switch now := changed.(type) {
	case map[string]any:
		if before, ok := given.(map[string]any); ok {
			for key := range now {
				now[key] = cleaned(now[key], before[key])
			}
		}
	case []any:
		switch before := given.(type) {
		case map[string]any:
			if len(now) == 0 {
				return map[string]any{}
			}
		case []any:
			for index := range min(len(now), len(before)) {
				now[index] = cleaned(now[index], before[index])
			}
		}
	}
	return changed
}

func value(state *lua.LState, given any) lua.LValue {
	switch found := given.(type) {
	case bool:
		return lua.LBool(found)
	case float64:
		return lua.LNumber(found)
	case int64:
		return lua.LNumber(found)
	case string:
		return lua.LString(found)
	case []any:
		list := state.CreateTable(len(found), 0)
		for _, item := range found {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(found))
		for key, item := range found {
			table.RawSetString(key, value(state, item))
		}
		return table
	}
	return lua.LNil
}
